"""Building, caching, loading and calling of C libraries."""
