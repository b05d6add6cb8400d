"""A simulated shop platform: takes orders, ships, returns and cancels by script. Never deployed."""
