# expect: runs
# after Ray's documentation: ray-core/handling-dependencies
import ray

runtime_env = {"pip": ["humanize"], "env_vars": {"GREETING": "hello"}}


@ray.remote(runtime_env=runtime_env)
def sizes(values):
    import os

    import humanize

    return [f"{os.environ['GREETING']} {humanize.naturalsize(value)}" for value in values]


ray.init()
print(ray.get(sizes.remote([1_000, 2_000_000])))
