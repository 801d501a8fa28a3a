"""What a picture says in words: a caption made from its numbers, and what is seen, for those who do not see it."""
