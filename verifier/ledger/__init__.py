"""What a log's entries amount to, read in index order: which are void, and what is in force at each index."""
