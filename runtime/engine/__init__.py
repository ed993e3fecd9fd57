"""How one run goes: bind, replay, call, settle, record; packing and dispatch of its tasks."""
