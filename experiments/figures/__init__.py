"""Figures on the pages of theorems: the closed form as a line, blind optima as dots.

blind     optima that know no theorem
frame     a figure with its words, and the list of all
geometry  what the classifier looks like
collapse  where something merges or dies
growth    limits, and how slowly
shapes    problems of another shape
"""
