"""Running the app: uvicorn, signals, and what goes on behind the requests' backs."""
