"""Who is asking, teams and their quotas, what they may do, and what they did."""
