"""The rules about proposed states, and the function that decides by them."""
