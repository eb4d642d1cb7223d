"""Values that pass in and out of storage. They don't import SQLAlchemy, so agents load without it."""
