"""A page in the browser for a saved model (Gradio, the extra `app`)."""
