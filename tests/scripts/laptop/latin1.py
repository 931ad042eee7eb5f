# coding: latin-1
# expect: runs
# Météo: des températures
temperatures = {"Orléans": 12.5, "Besançon": 9.1}
for ville, degres in temperatures.items():
    print(ville.encode("utf-8"), f"{degres:.1f}")
assert max(len(v) for v in temperatures) == 8
