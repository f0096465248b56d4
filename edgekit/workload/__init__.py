"""Getting a trained model in, and capturing it as the program that every format starts from."""
