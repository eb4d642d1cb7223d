"""What tokens prove: signatures, claims, service accounts, and the keys behind them."""
