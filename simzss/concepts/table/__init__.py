"""The concept table: what a corpus becomes, in Parquet; made in any number of processes, always the same."""
