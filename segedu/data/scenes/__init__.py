"""How synthetic scenes are drawn: a canvas that keeps picture and labels together, and one file a kind of scene."""
