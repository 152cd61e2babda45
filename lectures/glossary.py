# %% [markdown]
# # Glossary
#
# Every term of the course in the five languages of its source documents. Where a language uses the English word, it is kept.
#
# ## Tasks and labels
#
# | English | 繁體中文 | 简体中文 | 한국어 | Русский |
# |---|---|---|---|---|
# | semantic segmentation | 語義分割 | 语义分割 | 의미론적 분할 | семантическая сегментация |
# | instance segmentation | 實例分割 | 实例分割 | 인스턴스 분할 | сегментация экземпляров |
# | panoptic segmentation | 全景分割 | 全景分割 | 파놉틱 분할 | паноптическая сегментация |
# | classification | 分類 | 分类 | 분류 | классификация |
# | object detection | 物件偵測 | 目标检测 | 객체 검출 | обнаружение объектов |
# | bounding box | 邊界框 | 边界框 | 경계 상자 | ограничивающая рамка |
# | pixel | 像素 | 像素 | 픽셀 | пиксель |
# | class, category | 類別 | 类别 | 클래스 | класс |
# | label map | 標籤圖 | 标签图 | 레이블 맵 | карта меток |
# | one-hot vector | 獨熱向量 | 独热向量 | 원-핫 벡터 | унитарный (one-hot) вектор |
# | things and stuff | 可數物體與不可數區域 | 可数目标与不可数区域 | 사물(thing)과 배경(stuff) | объекты и фон (things и stuff) |
# | background | 背景 | 背景 | 배경 | фон |
# | void, ignored label | 忽略標籤 | 忽略标签 | 무시 레이블 | игнорируемая метка |
# | ground truth | 真實標註 | 真值标注 | 정답 | эталонная разметка |
#
# ## Operators
#
# | English | 繁體中文 | 简体中文 | 한국어 | Русский |
# |---|---|---|---|---|
# | convolution | 卷積 | 卷积 | 합성곱 | свёртка |
# | kernel | 卷積核 | 卷积核 | 커널 | ядро |
# | stride | 步長 | 步长 | 스트라이드 | шаг |
# | padding | 填充 | 填充 | 패딩 | дополнение |
# | dilation; atrous convolution | 膨脹；空洞卷積 | 膨胀；空洞卷积 | 팽창; 아트러스 합성곱 | разрежение; разреженная свёртка |
# | grouped convolution | 分組卷積 | 分组卷积 | 그룹 합성곱 | групповая свёртка |
# | channel | 通道 | 通道 | 채널 | канал |
# | feature map | 特徵圖 | 特征图 | 특징 맵 | карта признаков |
# | pooling | 池化 | 池化 | 풀링 | пулинг |
# | max pooling | 最大池化 | 最大池化 | 최대 풀링 | пулинг по максимуму |
# | average pooling | 平均池化 | 平均池化 | 평균 풀링 | пулинг по среднему |
# | indices, switches | 索引 | 索引 | 인덱스(스위치) | индексы (переключатели) |
# | unpooling | 反池化 | 反池化 | 언풀링 | анпулинг |
# | bed of nails | 釘床法 | 钉床法 | 못 침대(bed of nails) | «кровать с гвоздями» |
# | interpolation | 插值 | 插值 | 보간 | интерполяция |
# | nearest neighbour | 最近鄰 | 最近邻 | 최근접 이웃 | ближайший сосед |
# | bilinear | 雙線性 | 双线性 | 쌍선형 | билинейная |
# | upsampling | 上採樣 | 上采样 | 업샘플링 | повышение разрешения |
# | transposed convolution | 轉置卷積 | 转置卷积 | 전치 합성곱 | транспонированная свёртка |
# | checkerboard artefact | 棋盤格偽影 | 棋盘效应 | 체커보드 아티팩트 | артефакт шахматной доски |
# | pixel shuffle | 像素重排 | 像素重排 | 픽셀 셔플 | перестановка пикселей |
# | batch normalisation | 批次正規化 | 批量归一化 | 배치 정규화 | пакетная нормализация |
# | activation | 激活函數 | 激活函数 | 활성화 함수 | функция активации |
# | dropout | 隨機失活 | 随机失活 | 드롭아웃 | прореживание (dropout) |
#
# ## Networks
#
# | English | 繁體中文 | 简体中文 | 한국어 | Русский |
# |---|---|---|---|---|
# | fully connected layer | 全連接層 | 全连接层 | 완전 연결 층 | полносвязный слой |
# | fully convolutional network | 全卷積網路 | 全卷积网络 | 완전 합성곱 신경망 | полносвёрточная сеть |
# | backbone | 主幹網路 | 主干网络 | 백본 | базовая сеть |
# | encoder and decoder | 編碼器與解碼器 | 编码器与解码器 | 인코더와 디코더 | кодировщик и декодировщик |
# | skip connection | 跳躍連接 | 跳跃连接 | 스킵 연결 | сквозное соединение |
# | receptive field | 感受野 | 感受野 | 수용 영역 | рецептивное поле |
# | feature pyramid | 特徵金字塔 | 特征金字塔 | 특징 피라미드 | пирамида признаков |
# | residual block | 殘差塊 | 残差块 | 잔차 블록 | остаточный блок |
# | hypercolumn | 超列 | 超列 | 하이퍼컬럼 | гиперколонка |
# | score map | 分數圖 | 得分图 | 스코어 맵 | карта оценок |
# | logits | 對數幾率 | 未归一化得分 | 로짓 | логиты |
#
# ## Training and measuring
#
# | English | 繁體中文 | 简体中文 | 한국어 | Русский |
# |---|---|---|---|---|
# | loss | 損失 | 损失 | 손실 | функция потерь |
# | cross-entropy | 交叉熵 | 交叉熵 | 교차 엔트로피 | перекрёстная энтропия |
# | gradient | 梯度 | 梯度 | 기울기 | градиент |
# | class weight | 類別權重 | 类别权重 | 클래스 가중치 | вес класса |
# | accuracy | 準確率 | 准确率 | 정확도 | доля верных ответов |
# | confusion matrix | 混淆矩陣 | 混淆矩阵 | 혼동 행렬 | матрица ошибок |
# | intersection over union, Jaccard | 交並比 | 交并比 | 교집합 대 합집합 비율(IoU) | пересечение над объединением, мера Жаккара |
# | Dice coefficient | Dice 係數 | Dice 系数 | 다이스 계수 | коэффициент Дайса |
# | cosine coefficient | 餘弦係數 | 余弦系数 | 코사인 계수 | косинусный коэффициент |
# | panoptic quality | 全景品質 | 全景质量 | 파놉틱 품질 | паноптическое качество |
# | overfitting | 過擬合 | 过拟合 | 과적합 | переобучение |
# | data augmentation | 資料增強 | 数据增强 | 데이터 증강 | аугментация данных |
# | thread, block, grid | 執行緒、區塊、網格 | 线程、线程块、网格 | 스레드, 블록, 그리드 | поток, блок, сетка |
