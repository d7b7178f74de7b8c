"""The cluster's ordinary CPU and memory: what nodes have, what pods ask for, what they use."""
