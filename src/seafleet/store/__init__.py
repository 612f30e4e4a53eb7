"""The object store: commits, directory and file objects, and blocks, all named by what they hold.

Small objects are rows of the database, so that objects, commit and head move in one transaction; larger
blocks are blobs (`contract.BlobStore`). What is asked for and is in neither is looked for in read-only
layers.
"""
