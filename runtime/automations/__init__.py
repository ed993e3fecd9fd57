"""When an automation fires: its triggers read from JSON, and what events and time make of them."""
