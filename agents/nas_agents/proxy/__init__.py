"""What stands between an agent with proxies and its environment."""
