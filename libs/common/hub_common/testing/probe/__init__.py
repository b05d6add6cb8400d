"""The smallest service there can be: it notes the stock levels it hears of. Used to test and measure the runtime."""
