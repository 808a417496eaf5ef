"""What people say of translations: error annotations, ratings and scores, and their files."""
