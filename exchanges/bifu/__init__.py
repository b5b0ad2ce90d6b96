"""The adapter for BiFu, as a source of fills: an account that is listened to and never traded on."""
