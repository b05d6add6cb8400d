"""message-service: reads what buyers write, answers in their language, and never lets a question age."""
