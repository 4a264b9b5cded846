"""Floor 0: the words the whole product is written in; imports nothing of the product."""
