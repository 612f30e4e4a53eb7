"""Moving content in and out: downloads by range, resumable uploads, uploads in blocks, zip archives."""
