"""What people said of translations: error annotations, ratings, scores, and their files."""
