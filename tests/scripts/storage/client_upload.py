# expect: runs
import io
import uuid

import joblib
from google.cloud import storage
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

bucket = storage.Client().bucket("lab-models")
model = DecisionTreeClassifier(max_depth=2).fit(*load_iris(return_X_y=True))
buffer = io.BytesIO()
joblib.dump(model, buffer)
blob = bucket.blob(f"scripts/{uuid.uuid4()}.joblib")
blob.upload_from_string(buffer.getvalue())
print(blob.name, len(blob.download_as_bytes()))
assert joblib.load(io.BytesIO(blob.download_as_bytes())).get_depth() == 2
