"""What `simzss bench concepts` measures: throughput of extraction, and agreement with annotated captions."""
