"""Connector for every marketplace that runs on Mirakl's platform (MMP seller API); one instance per operator."""
