"""The process that answers HTTP: assembles the nouns' routes and decides nothing itself."""
