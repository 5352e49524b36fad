"""Room 1: takes photos in over HTTP, queues requests and hands the answers back."""
