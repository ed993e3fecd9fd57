"""What automations do when they fire: each action of the standard, carried out on the store."""
