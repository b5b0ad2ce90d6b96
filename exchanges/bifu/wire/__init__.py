"""BiFu's wire, pure: `request` signs, `stream` and `reply` decode, `product` holds the venue's names."""
