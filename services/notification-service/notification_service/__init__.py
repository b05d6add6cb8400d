"""notification-service: tells people by e-mail and webhook what needs them."""
