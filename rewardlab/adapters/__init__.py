"""Our rewards in other people's programs; each module is about one of them and imports no other."""
