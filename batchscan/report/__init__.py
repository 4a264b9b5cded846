"""Floor 2: from stored records to pages."""
