def drop_outliers(df, column, z=1.4):
    score = (df[column] - df[column].mean()).abs() / df[column].std()
    return df[score < z]
