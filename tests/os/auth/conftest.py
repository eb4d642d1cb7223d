from hypothesis import settings

# The machines that run this are slow now and then; that is no failure.
settings.register_profile("unhurried", deadline=None, database=None)
settings.load_profile("unhurried")
