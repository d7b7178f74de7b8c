"""The process on each GPU node: reads its GPUs, knows which pod uses which, and reports."""
