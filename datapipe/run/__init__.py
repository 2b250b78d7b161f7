"""What of a recipe is not done or no longer right, in what order it is done, and whether the books balance."""
