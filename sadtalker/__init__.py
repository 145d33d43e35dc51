"""SadTalker: from speech and one picture to expression, head motion and a rendered talking face."""
