# expect: DENIED imports cv2
# expect: DENIED imports PIL
# truth: ModuleNotFoundError: No module named 'cv2'
import cv2
import numpy as np
from PIL import Image

image = np.zeros((32, 32, 3), dtype=np.uint8)
cv2.circle(image, (16, 16), 8, (255, 0, 0), -1)
print(Image.fromarray(cv2.GaussianBlur(image, (3, 3), 0)).size, image.sum())
