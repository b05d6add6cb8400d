"""refund-service: gives money back once per return, cancels on the shop's wish, and keeps the money ledger per line."""
