"""The measures at every layer of a language model of Hugging Face, from a local folder."""
