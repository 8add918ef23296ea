"""One-off downloads and conversions, one file per source."""
