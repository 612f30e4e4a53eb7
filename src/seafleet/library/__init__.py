"""Libraries: their heads and trees, and the verbs that change them.

A change is an edit: a value that says what to do to a tree. Edits go through one queue for each library, are
written in one transaction with the objects and commits they need, and move the head by compare-and-set.
"""
