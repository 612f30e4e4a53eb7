"""What sync clients need of the domain: listings, packs, pushes, polls and news. No HTTP here."""
