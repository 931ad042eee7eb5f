# expect: DENIED imports needs ray[rllib]
# truth: ModuleNotFoundError: No module named 'gymnasium'
# after Ray's documentation: rllib/getting-started
from ray.rllib.algorithms.ppo import PPOConfig

algo = PPOConfig().environment("CartPole-v1").env_runners(num_env_runners=1).build_algo()
print(algo.train()["env_runners"])
