# expect: DENIED imports needs ray[serve]
# truth: ModuleNotFoundError: No module named 'starlette'
# after Ray's documentation: serve/getting_started
from ray import serve


@serve.deployment
class Hello:
    def __call__(self) -> str:
        return "hello"


handle = serve.run(Hello.bind(), name="hello")
print(handle.remote().result())
