"""When an automation fires: its triggers, read from JSON and evaluated over events and time."""
