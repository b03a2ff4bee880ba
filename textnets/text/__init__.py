"""Text to ids and back: tokenizers, vocabulary, encoded corpus, batches."""
